"""A request to one of the two: the task table, the router, its calibration with a guarantee, and advice."""
