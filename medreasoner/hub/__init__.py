"""The Hugging Face Hub: `pull` fetches files, `push` and `publish` send them, `card` describes a model."""
