"""One module for each way of asking: OpenAI's, Anthropic's, Ollama's; all over the same core."""
