"""One module a resource of the control socket."""
