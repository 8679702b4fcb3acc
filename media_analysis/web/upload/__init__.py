"""Upload: files dropped into a browser, brought in pieces that go on where they stopped."""
