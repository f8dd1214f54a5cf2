"""DICOM: headers first, then geometry, then pixels."""
