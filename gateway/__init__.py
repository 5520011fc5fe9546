"""HTTP: the Records API of Zenodo, OAI-PMH, pages for people, and what operators ask.

The only code that knows the web framework. Routers are grouped by noun; each handler is sync and runs in a
thread, and takes what it works with from `request.app.state.services`. Who may read what is decided in
`pipeline.access`, status codes of errors in `gateway.http.problems`.
"""
