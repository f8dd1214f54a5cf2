"""Programs of ``torch.export`` (.pt2), read by us.

``torch.export.load`` runs what a file tells it to: it unpickles custom objects and some weights without restriction,
looks operators up as attributes from ``torch`` on (where ``torch.serialization.os.system`` is one), and evaluates
symbolic sizes as Python expressions. None of that happens here: the graph is JSON, weights are plain bytes, sizes are
those of the example, and of torch's operators only those are called that do nothing but compute.
"""
