"""A prompt into tokens. Token ids only: strings are read and made elsewhere."""
