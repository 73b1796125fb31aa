"""The compare room: weights into evidence. It must not choose between models; that is the route room's."""
