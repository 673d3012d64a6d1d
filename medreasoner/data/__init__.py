"""Sets of samples: reading them (`load`), building them from images with masks (`build/`), publishing them (`publish/`)."""
