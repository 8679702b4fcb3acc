"""Images: opened by content, with what they say of themselves, one picture or several."""
