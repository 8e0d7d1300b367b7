"""The commands of `hatch-ytupload`, one module each; they parse and print, the rules lie elsewhere."""
