"""One module per real part."""
