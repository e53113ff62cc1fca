"""Finished pictures: enlarging and restoring them, reading their metadata, describing them in words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class ExtrasRequest(Struct, frozen=True):
    """What the two extras routes share. Null is not accepted here, unlike in generation requests."""

    resize_mode: Annotated[
        Literal[0, 1],
        Meta(
            description="0 enlarges by upscaling_resize, 1 to upscaling_resize_w x upscaling_resize_h pixels."
        ),
    ] = 0
    show_extras_results: Annotated[
        bool, Meta(description="Accepted and ignored: the pictures are always returned.")
    ] = True
    gfpgan_visibility: Annotated[
        float, Meta(ge=0, le=1, description="Share of the GFPGAN result mixed in, 0.0 (off) to 1.0.")
    ] = 0
    codeformer_visibility: Annotated[
        float, Meta(ge=0, le=1, description="Share of the CodeFormer result mixed in, 0.0 (off) to 1.0.")
    ] = 0
    codeformer_weight: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How true CodeFormer stays to the input, from 0.0 (strongest change) to 1.0.",
        ),
    ] = 0
    upscaling_resize: Annotated[
        float, Meta(gt=0, description="Factor of enlargement when resize_mode is 0.", examples=[2.0])
    ] = 2
    upscaling_resize_w: Annotated[
        int, Meta(ge=1, description="Target width in pixels when resize_mode is 1.", examples=[1024])
    ] = 512
    upscaling_resize_h: Annotated[
        int, Meta(ge=1, description="Target height in pixels when resize_mode is 1.", examples=[1024])
    ] = 512
    upscaling_crop: Annotated[
        bool,
        Meta(description="Cut off what exceeds the target size when resize_mode is 1; false keeps it."),
    ] = True
    upscaler_1: Annotated[
        str,
        Meta(
            description="Upscaler, by a name of GET /sdapi/v1/upscalers; None leaves the size alone.",
            examples=["Lanczos"],
        ),
    ] = "None"
    upscaler_2: Annotated[
        str, Meta(description="Second upscaler, whose result is mixed into that of the first.")
    ] = "None"
    extras_upscaler_2_visibility: Annotated[
        float, Meta(ge=0, le=1, description="Share of the second upscaler, 0.0 (off) to 1.0.")
    ] = 0
    upscale_first: Annotated[
        bool, Meta(description="Accepted and ignored: upscaling always precedes face restoration.")
    ] = False


class ExtrasSingleImageRequest(ExtrasRequest, frozen=True):
    """One picture to enlarge or restore."""

    image: Annotated[str, Meta(description="The picture: base64 text, a data: URI or an http(s) URL.")] = ""


class FileData(Struct, frozen=True):
    """A picture of a batch."""

    data: Annotated[str, Meta(description="The picture: base64 text, a data: URI or an http(s) URL.")]
    name: Annotated[str, Meta(description="Its name, shown as textinfo while it is worked on.")]


class ExtrasBatchImagesRequest(ExtrasRequest, frozen=True, kw_only=True):
    """Several pictures to enlarge or restore alike."""

    imageList: Annotated[list[FileData], Meta(description="The pictures, in the order of the reply.")]


class ExtrasSingleImageResponse(Struct, frozen=True):
    """Reply of POST /sdapi/v1/extra-single-image."""

    html_info: Annotated[str, Meta(description="What was done, as an HTML paragraph.")]
    image: Annotated[str | None, Meta(description="The result, base64 text without a data: prefix.")] = None


class ExtrasBatchImagesResponse(Struct, frozen=True):
    """Reply of POST /sdapi/v1/extra-batch-images."""

    html_info: Annotated[str, Meta(description="What was done to the last picture, as an HTML paragraph.")]
    images: Annotated[
        list[str], Meta(description="The results, base64 text without a data: prefix, in request order.")
    ]


class PNGInfoRequest(Struct, frozen=True):
    """A picture whose generation parameters are wanted."""

    image: Annotated[str, Meta(description="The picture: base64 text, a data: URI or an http(s) URL.")]


class PNGInfoResponse(Struct, frozen=True):
    """Reply of POST /sdapi/v1/png-info."""

    info: Annotated[
        str, Meta(description="The generation parameters as text; empty where the picture has none.")
    ]
    items: Annotated[
        dict[str, Any], Meta(description="The other text entries found in the picture, by name.")
    ]
    parameters: Annotated[
        dict[str, Any], Meta(description="`info` taken apart, by the names used in that text.")
    ]


class InterrogateRequest(Struct, frozen=True):
    """A picture to describe in words."""

    image: Annotated[str, Meta(description="The picture: base64 text, a data: URI or an http(s) URL.")] = ""
    model: Annotated[
        str,
        Meta(
            description="clip writes a sentence and matching words, deepdanbooru a list of tags.",
            examples=["clip"],
        ),
    ] = "clip"


class InterrogateResponse(Struct, frozen=True):
    """Reply of POST /sdapi/v1/interrogate."""

    caption: Annotated[str, Meta(description="The picture in words, usable as a prompt.")]
