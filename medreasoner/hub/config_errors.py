"""What transformers raises for a value of the wrong type in `config.json`: huggingface_hub checks them."""

from huggingface_hub.errors import StrictDataclassError as ConfigError

__all__ = ["ConfigError"]
