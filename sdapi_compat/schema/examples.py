"""Requests that work as they stand, for the "Try it out" buttons of the documentation pages."""

from __future__ import annotations

from typing import Any

PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAX3RFWHRwYXJhbWV0ZXJzAGEgaGlsbCBhbmQgdGhlIHN1bgpT"
    "dGVwczogMjAsIFNhbXBsZXI6IEV1bGVyIGEsIENGRyBzY2FsZTogNy4wLCBTZWVkOiAxLCBTaXplOiA2NHg2NCcMFRAAAAEN"
    "SURBVHja7ZchEoMwEEXJDqonia6uRvccPUEVAl3dc1T0HOgco6q6AtNhpmUTsrsk/DiYDflv/5+QuOvz1ZQ8qCl8AAAAAACA"
    "7WjNFQz+8v3Yh3vUdGf4I5tJT8OwAfgjPRaDNqueWYldSKz9zHo4INl+ziw4UDTA+9EXDDCpN2dQjVDsOYczi9aHx9YEyhJ9"
    "PkOsCYv1+9uFfjVbwgROpc2FZlJmcB9YbPPhPGz3RsYMSQIDjhJZTw3KvwWS0KTJsIMIpbVTzQSS06HDUHWE1rdQwYR6HcjV"
    "PGkTSGFVUYbiI+ROt2726hi8xEqjDxKfbdVWQoQAAAAAAAAAAAAAAAAAAAAAAAAAAEBVAB/1LWsRkUpiZAAAAABJRU5ErkJg"
    "gg=="
)
"""A 64 x 64 PNG of a hill and the sun, with a `parameters` text."""

MASK = (
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAc0lEQVR42u2VQQ6AIBADaf//Z7wpRFnLogeSzm0LQ2AhWoqB"
    "PrU+Gpiz7xITflcx4Xc1M36bMOU3GXP+lTLpnzlXH9L/C9SXkQ2O4AWiDwa26QHiXNgBwlQ5AqJM6gGCRGsixrV4CxhWy38m"
    "Y4wxxpjPOQCV6BE01UGiSwAAAABJRU5ErkJggg=="
)
"""A 64 x 64 PNG, white where the sun of PICTURE is."""

PROMPT: dict[str, Any] = {
    "prompt": "a lighthouse on a cliff at sunset, oil painting",
    "negative_prompt": "blurry",
    "seed": 1,
    "steps": 20,
    "cfg_scale": 7.0,
    "sampler_name": "Euler a",
    "width": 512,
    "height": 512,
}

TXT2IMG: dict[str, Any] = {
    "simple": PROMPT,
    "enlarged": {
        **PROMPT,
        "enable_hr": True,
        "hr_scale": 1.5,
        "hr_upscaler": "Latent",
        "denoising_strength": 0.6,
    },
    "two with options": {
        **PROMPT,
        "batch_size": 2,
        "scheduler": "Karras",
        "override_settings": {"CLIP_stop_at_last_layers": 2},
    },
}

IMG2IMG: dict[str, Any] = {
    "simple": {**PROMPT, "init_images": [PICTURE], "denoising_strength": 0.6},
    "inpaint": {
        **PROMPT,
        "init_images": [PICTURE],
        "mask": MASK,
        "mask_blur": 4,
        "inpainting_fill": 1,
        "inpaint_full_res": False,
        "denoising_strength": 0.75,
    },
}

EXTRA_SINGLE_IMAGE: dict[str, Any] = {
    "simple": {"image": PICTURE, "upscaler_1": "Lanczos", "upscaling_resize": 2.0}
}

EXTRA_BATCH_IMAGES: dict[str, Any] = {
    "simple": {
        "imageList": [{"data": PICTURE, "name": "sun.png"}, {"data": MASK, "name": "mask.png"}],
        "upscaler_1": "Lanczos",
        "upscaling_resize": 2.0,
    }
}

PNG_INFO: dict[str, Any] = {"simple": {"image": PICTURE}}

INTERROGATE: dict[str, Any] = {"simple": {"image": PICTURE, "model": "clip"}}

OPTIONS: dict[str, Any] = {"simple": {"CLIP_stop_at_last_layers": 1}}

INTERNAL_PROGRESS: dict[str, Any] = {"simple": {"id_task": "task(my-job-1)", "id_live_preview": -1}}

LOGIN: dict[str, Any] = {"simple": {"username": "me", "password": "secret"}}

CREATE_EMBEDDING: dict[str, Any] = {
    "simple": {"name": "my-style", "num_vectors_per_token": 2, "overwrite_old": False, "init_text": "*"}
}

CREATE_HYPERNETWORK: dict[str, Any] = {
    "simple": {
        "name": "my-network",
        "enable_sizes": ["768", "320", "640", "1280"],
        "overwrite_old": False,
        "layer_structure": "1, 2, 1",
        "activation_func": "linear",
        "weight_init": "Normal",
        "add_layer_norm": False,
        "use_dropout": False,
        "dropout_structure": "0, 0, 0",
    }
}

TRAINING: dict[str, Any] = {
    "learn_rate": "0.005",
    "batch_size": 1,
    "gradient_step": 1,
    "data_root": "/path/to/pictures",
    "log_directory": "textual_inversion",
    "training_width": 512,
    "training_height": 512,
    "steps": 1000,
}

TRAIN_EMBEDDING: dict[str, Any] = {"simple": {"embedding_name": "my-style", **TRAINING}}

TRAIN_HYPERNETWORK: dict[str, Any] = {"simple": {"hypernetwork_name": "my-network", **TRAINING}}
