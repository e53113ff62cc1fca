"""Scripts and extensions, and what they take."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct


class ScriptsList(Struct, frozen=True):
    """Reply of GET /sdapi/v1/scripts."""

    txt2img: Annotated[list[Any] | None, Meta(description="Names of the scripts of txt2img.")] = None
    img2img: Annotated[list[Any] | None, Meta(description="Names of the scripts of img2img.")] = None


class ScriptArg(Struct, frozen=True):
    """An argument of a script; its place in the list is its place in script_args."""

    label: Annotated[str | None, Meta(description="Name for people.")] = None
    value: Annotated[Any, Meta(description="Default.")] = None
    minimum: Annotated[Any, Meta(description="Lowest value, if limited.")] = None
    maximum: Annotated[Any, Meta(description="Highest value, if limited.")] = None
    step: Annotated[Any, Meta(description="Distance between values, if fixed.")] = None
    choices: Annotated[list[str] | None, Meta(description="Possible values, if listed.")] = None


class ScriptInfo(Struct, frozen=True):
    """A script and its arguments."""

    name: Annotated[str | None, Meta(description="Value for script_name or key of alwayson_scripts.")]
    is_alwayson: Annotated[
        bool | None, Meta(description="It runs with every request and takes arguments in alwayson_scripts.")
    ]
    is_img2img: Annotated[bool | None, Meta(description="This entry is about img2img, not txt2img.")]
    args: Annotated[list[ScriptArg], Meta(description="Its arguments, in order.")]


class ExtensionItem(Struct, frozen=True):
    """An installed extension that came from a git repository."""

    name: Annotated[str, Meta(description="Name of its folder.")]
    remote: Annotated[str, Meta(description="URL of its repository.")]
    branch: Annotated[str, Meta(description="Branch that is checked out.")]
    commit_hash: Annotated[str, Meta(description="Commit that is checked out.")]
    version: Annotated[str, Meta(description="First 8 digits of that commit.")]
    commit_date: Annotated[str, Meta(description="Date of that commit, seconds since 1970 as text.")]
    enabled: Annotated[bool, Meta(description="It is in use.")]
