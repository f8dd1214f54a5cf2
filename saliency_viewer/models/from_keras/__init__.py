"""Keras networks (.keras of Keras 3, .h5 of Keras 2 and 3) as torch networks, without running code from the file."""

from saliency_viewer.models.from_keras.network import keras_network

__all__ = ["keras_network"]
