"""The architecture, once: config, decoder, and the folder it is kept in."""
