"""What the page shows, as plain values, and the files that draw them. Gradio itself is imported only in `app.py`."""
