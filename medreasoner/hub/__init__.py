"""The Hugging Face Hub: `pull` fetches files, `push` and `publish` send them, `card` and `metadata` describe a model."""
