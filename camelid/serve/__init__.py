"""The pair on the wire: OpenAI's API, Anthropic's and Ollama's, and a page, from one process."""
