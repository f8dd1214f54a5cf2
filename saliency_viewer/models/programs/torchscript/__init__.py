"""TorchScript programs as steps of torch operators.

A TorchScript file holds source in a language of its own, which torch compiles and runs, but never Python; its pickles
are read by a reader of torch's that knows tensors and the file's own classes only. The language has operators that
write and map files, though, and a class may run some of its own while it is loaded. So the source is looked through
before anything is loaded, and files with such operators, or with loading code, are refused.
"""
