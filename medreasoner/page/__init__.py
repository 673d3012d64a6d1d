"""The Gradio page: `page.py` puts it together, `layout.py` places its components, `static/` holds their
markup, scripts and styles."""
