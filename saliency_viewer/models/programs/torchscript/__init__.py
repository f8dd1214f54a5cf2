"""TorchScript programs as steps of torch operators.

A TorchScript file holds source in a language of its own, which torch compiles and runs, but never Python, and pickles
for a reader of torch's own. But the language has operators that write and map files, some of its code runs while it is
loaded, and the reader takes sizes on trust. So source and pickles are looked through first, files with anything but
computing in them are refused, and torch is given an archive in which there is nothing else.
"""
