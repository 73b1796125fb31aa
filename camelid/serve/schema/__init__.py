"""What requests and replies look like, field by field: the OpenAPI document is made of these."""
