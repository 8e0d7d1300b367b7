"""The version of hatch-ytupload; read by the build and written into every manifest."""

__version__ = "0.1.0"
