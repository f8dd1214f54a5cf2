"""Synthetic chest radiographs and brain volumes with known truth, as arrays and as DICOM."""
