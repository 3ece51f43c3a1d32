"""The `openai` backend: any server that speaks OpenAI's HTTP API (see docs/backends/openai.md)."""
