"""Models of other makes and formats, in and out: GGUF both ways, llama2.c's files, pairs of any two.

What comes in becomes a model folder, and what goes out is made of one: no other room knows these formats.
"""
