"""The version of dicomnb, the one place where it stands besides the package's metadata."""

__all__ = ["__version__"]

__version__ = "0.1.0"
