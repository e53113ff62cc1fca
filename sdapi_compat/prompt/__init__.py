"""The prompt language of A1111 1.10.1, as pure functions on text and token ids.

Order of work for one image: `styles` merge, `comments` are dropped, `extra_networks` tags are taken out,
`composition` splits at AND, `schedules` expands editing and alternation, `emphasis` (over `attention`) weighs
the text, `chunks` cuts the tokens. Negative prompts skip `extra_networks` and `composition`: there `<lora:x>`
and AND stay literal text.

Every parser runs in time linear in its input and without recursion.
"""
