"""The page on which people judge samples: `desk` says what it shows, `page` serves it, `desk.html`, `desk.js` and `desk.css` draw it."""
