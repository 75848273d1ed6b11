"""Messages of protocol buffers by a description in Python, without a compiler."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Field(NamedTuple):
    """A field of a message.

    Attributes:
      number: on the wire.
      kind: "double", "int32", "int64", "string", "bytes", or the name of a message.
      repeated: whether it may stand more than once.
    """

    number: int
    kind: str
    repeated: bool = False


def message_class(
    root: str, messages: Mapping[str, Mapping[str, Field]], owner: str
) -> Any:
    """The class of a message.

    Args:
      root: its name.
      messages: name -> fields by name, of `root` and all that it holds. What a file
        holds beside these fields is passed over.
      owner: whose file it is, for the mistake: "NAS-Bench-101's own file".

    Raises:
      ValueError: without the package `protobuf`.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError:
        raise ValueError(
            f"{owner} needs protobuf: pip install '.[data]' in a clone"
        ) from None
    file = descriptor_pb2.FileDescriptorProto(name="made.proto", package="made")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in messages.items():
        made = file.message_type.add(name=message)
        for name, field in fields.items():
            nested = field.kind in messages
            made.field.add(
                name=name,
                number=field.number,
                type=kinds.TYPE_MESSAGE
                if nested
                else kinds.Type.Value(f"TYPE_{field.kind.upper()}"),
                label=kinds.LABEL_REPEATED if field.repeated else kinds.LABEL_OPTIONAL,
                type_name=f".made.{field.kind}" if nested else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"made.{root}"))


def decode_error() -> type[Exception]:
    """What a class raises for bytes that are no such message."""
    from google.protobuf.message import DecodeError

    return DecodeError
