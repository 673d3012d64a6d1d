"""Sets of samples: reading (`load`), building from images with masks (`build/`), publishing (`publish/`)."""
