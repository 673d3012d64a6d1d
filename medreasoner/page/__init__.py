"""What the page shows, as plain values, and the files that draw them. Gradio is imported only by `drawn`, `room` and `endpoints`."""
