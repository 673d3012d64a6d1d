"""The page on which people judge samples: `session` says what it shows, `page` serves it."""
