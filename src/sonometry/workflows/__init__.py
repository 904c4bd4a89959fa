"""What the command line, the service and the node do: recordings and options in, reports and files out."""
