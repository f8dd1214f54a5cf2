"""What Keras files must not be able to do, and what is said of damaged ones."""

from __future__ import annotations

import io
import json
import sys
import zipfile

import h5py
import keras_files as files
import pytest
import torch

from saliency_viewer.errors import UserError
from saliency_viewer.models.from_keras import keras_network
from saliency_viewer.models.from_keras.container import _member

keras = files.keras
# Keras' own, under NumPy 2.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]


MARK = "saliency_viewer_keras_attack"


def entry(config, name):
    return next(layer for layer in config["config"]["layers"] if layer["name"] == name)


def lambda_layer(config):
    """Marshalled bytecode in a Lambda, as safe_mode=False would run it."""
    import codecs
    import marshal

    code = compile(f"__import__('pathlib').Path({MARK!r}).touch()", "x", "exec")
    function = {"class_name": "__lambda__", "config": {"code": codecs.encode(marshal.dumps(code), "base64").decode()}}
    entry(config, "stem_relu").update(
        {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "stem_relu", "function": function}}
    )


def hidden_lambda(config):
    entry(config, "last_conv")["config"]["activation"] = {
        "class_name": "__lambda__",
        "config": {"code": "", "defaults": None, "closure": None},
    }


def foreign_module(config):
    entry(config, "stem_relu").update({"module": "os", "class_name": "system", "config": {"command": f"touch {MARK}"}})


def foreign_function(config):
    entry(config, "last_conv")["config"]["activation"] = {
        "module": "antigravity",
        "class_name": "function",
        "config": "fly",
        "registered_name": "function",
    }


def keras_own_switch(config):
    """CVE-2025-9906: a call of Keras' own that turns its safe mode off."""
    entry(config, "stem_relu").update(
        {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}}
    )


def keras_download(config):
    """CVE-2025-8747: Keras' own function that fetches files."""
    entry(config, "stem_relu").update({"module": "keras.utils", "class_name": "get_file", "config": {"fname": MARK}})


def registered(config):
    entry(config, "stem_relu")["registered_name"] = "package>ReLU"


def torch_module(config):
    """A layer of Keras that unpickles."""
    entry(config, "stem_relu").update({"class_name": "TorchModuleWrapper", "config": {"module": "gASV"}})


def vocabulary(config):
    """CVE-2025-12058: a layer of Keras that reads a file of the user's."""
    entry(config, "stem_relu").update({"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}})


def compiled(config):
    config["compile_config"] = {"loss": {"module": "os", "class_name": "function", "config": "system"}}


ATTACKS = (
    *(lambda_layer, hidden_lambda, foreign_module, foreign_function, keras_own_switch, keras_download),
    *(registered, torch_module, vocabulary),
)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_code_and_foreign_names_are_refused_before_keras_sees_them(tmp_path, monkeypatch, attack, suffix):
    monkeypatch.chdir(tmp_path)
    content = files.saved(files.classifier(), tmp_path, suffix)
    if suffix == "keras":
        evil = files.with_config(content, attack)
    else:

        def change(file):
            config = json.loads(file.attrs["model_config"])
            attack(config)
            file.attrs["model_config"] = json.dumps(config)

        evil = files.changed_h5(content, change)
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("Keras was given the file"))
    with pytest.raises(UserError, match=r"was not opened") as caught:
        keras_network(evil)
    assert caught.value.hint
    assert not (tmp_path / MARK).exists()
    assert "antigravity" not in sys.modules


def test_what_belongs_to_training_is_never_looked_at(tmp_path):
    content = files.with_config(files.saved(files.classifier(), tmp_path), compiled)
    strange = {"module": "os", "class_name": "system", "config": {}}

    def change(config):
        entry(config, "stem")["config"]["kernel_regularizer"] = strange
        entry(config, "stem")["config"]["kernel_initializer"] = strange

    assert keras_network(files.with_config(content, change))(torch.zeros(1, 1, 24, 24)).shape == (1, 3)


def test_custom_objects_of_this_process_do_not_get_in(tmp_path):
    """A name that somebody registered here must not be within a file's reach."""
    ran = []

    @keras.saving.register_keras_serializable(package="attack")
    class Custom(keras.layers.Layer):
        def __init__(self, **options):
            ran.append(options)
            super().__init__(**options)

    def change(config):
        entry(config, "stem_relu").update({"module": None, "class_name": "Custom", "registered_name": "attack>Custom"})

    with pytest.raises(UserError, match="'Custom', which is no layer of Keras"):
        keras_network(files.with_config(files.saved(files.classifier(), tmp_path), change))
    assert not ran


def external_link(file):
    file["model_weights"]["more"] = h5py.ExternalLink("/etc/hostname", "/")


def soft_link(file):
    file["model_weights"]["more"] = h5py.SoftLink("/model_weights/stem")


def external_storage(file):
    file["model_weights"].create_dataset("more", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def virtual_array(file):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file["model_weights"].create_virtual_dataset("more", layout)


def huge_array(file):
    file["model_weights"].create_dataset("more", (2**38,), "f4", chunks=(2**20,), compression="gzip")


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (external_link, "other places"),
        (soft_link, "other places"),
        (external_storage, "other places"),
        (virtual_array, "other places"),
        (huge_array, "far larger than the file"),
    ],
)
def test_weights_that_lead_out_of_the_file_are_refused(tmp_path, monkeypatch, attack, message):
    evil = files.changed_h5(files.saved(files.classifier(), tmp_path, "h5"), attack)
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("Keras was given the file"))
    with pytest.raises(UserError, match=message):
        keras_network(evil)


def test_a_group_that_holds_itself_ends():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["a"] = file.create_group("b")
        file["b/again"] = file["b"]
    with pytest.raises(UserError, match="weights only"):
        keras_network(buffer.getvalue())


def test_an_archive_with_climbing_names_writes_nothing(tmp_path):
    content = io.BytesIO(files.saved(files.classifier(), tmp_path))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("../../evil.txt", "evil")
        archive.writestr("assets/../../evil.txt", "evil")
    before = sorted(tmp_path.rglob("*"))
    keras_network(content.getvalue())
    assert sorted(tmp_path.rglob("*")) == before
    assert not (tmp_path.parent / "evil.txt").exists()


def test_a_member_that_unpacks_to_gigabytes_is_refused_unread(tmp_path, monkeypatch):
    content = files.saved(files.classifier(), tmp_path)
    real = zipfile.ZipFile.getinfo

    def claims(archive, name):
        member = real(archive, name)
        if name.endswith(".h5"):
            member.file_size = 2**33
        return member

    monkeypatch.setattr(zipfile.ZipFile, "getinfo", claims)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive, pytest.raises(UserError, match="far too large"):
        _member(archive, "model.weights.h5", 2**40)


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"PK\x03\x04" + b"\0" * 40,
        b"\x89HDF\r\n\x1a\n" + b"\xff" * 400,
    ],
)
def test_damaged_files_are_said_to_be(content):
    with pytest.raises(UserError, match="damaged"):
        keras_network(content)


def test_half_a_file_and_a_file_without_its_parts(tmp_path):
    for suffix in ("keras", "h5"):
        content = files.saved(files.classifier(), tmp_path, suffix)
        with pytest.raises(UserError):
            keras_network(content[: len(content) // 2])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("data.pkl", b"x")
    with pytest.raises(UserError, match=r"no config\.json"):
        keras_network(out.getvalue())
    deep = files.with_config(files.saved(files.classifier(), tmp_path), lambda c: c["config"].update(extra=nested(300)))
    with pytest.raises(UserError, match="nested too deeply"):
        keras_network(deep)


def test_a_file_that_does_not_fit_itself_is_a_sentence_without_a_path(tmp_path):
    def change(config):
        entry(config, "predictions")["config"]["units"] = 5

    with pytest.raises(UserError, match="Keras cannot load") as caught:
        keras_network(files.with_config(files.saved(files.classifier(), tmp_path), change))
    assert "/tmp" not in f"{caught.value} {caught.value.detail}"


def zip_error(kind, content):
    """A Keras archive whose description is packed by ``kind`` and then spoilt, or of a kind that nobody knows."""
    out = io.BytesIO()
    packing = {"zlib": zipfile.ZIP_DEFLATED, "bz2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name), packing.get(kind, zipfile.ZIP_STORED))
    spoilt = bytearray(out.getvalue())
    with zipfile.ZipFile(io.BytesIO(spoilt)) as archive:
        place = archive.getinfo("config.json").header_offset
        length = archive.getinfo("config.json").compress_size
    body = place + 30 + len("config.json")
    listed = spoilt.index(b"PK\x01\x02")
    while spoilt[listed + 46 : listed + 57] != b"config.json":
        listed = spoilt.index(b"PK\x01\x02", listed + 4)
    if kind == "unknown":
        spoilt[place + 8] = spoilt[listed + 10] = 97
    elif kind == "encrypted":
        spoilt[place + 6] |= 1
        spoilt[listed + 8] |= 1
    else:
        spoilt[body + (9 if kind == "lzma" else 0) : body + length] = b"\xff" * (length - (9 if kind == "lzma" else 0))
    return bytes(spoilt)


@pytest.mark.parametrize("kind", ["zlib", "bz2", "lzma", "unknown", "encrypted"])
def test_archives_that_cannot_be_unpacked_say_so(tmp_path, kind):
    with pytest.raises(UserError, match="damaged") as caught:
        keras_network(zip_error(kind, files.saved(files.classifier(), tmp_path)))
    assert caught.value.detail
