"""What the publisher inside Hatch and the command line print alike."""
