"""What Hatch sees of us: target, hook and publisher."""
