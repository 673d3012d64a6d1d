"""The Hugging Face Hub: pull a model's files, push a folder's.

Is: the one place that moves files between here and the Hub. Is not: a loader of models or of data.

The Hub's own environment variables hold here too: HF_HUB_OFFLINE, HF_ENDPOINT, HF_TOKEN, HF_HOME.
"""

from medreasoner.hub.errors import HubError, asking
from medreasoner.hub.pull import cache_folder, commit_of, fetch_file, fetch_folder
from medreasoner.hub.push import MARKER, Push, push_folder

__all__ = ["MARKER", "HubError", "Push", "asking", "cache_folder", "commit_of", "fetch_file", "fetch_folder", "push_folder"]
