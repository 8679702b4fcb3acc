"""All of the page: one room per screen, over the services that answer the API."""
