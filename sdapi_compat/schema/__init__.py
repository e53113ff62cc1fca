"""The wire: one hand-written Struct per request and reply, how bytes become them, and the OpenAPI document.

    generation, txt2img, img2img, extras, progress, listings, scripts, training, server, internal
                      the Structs, one module per group of routes; a field's description is its documentation
    body              bytes -> Python value (JSON, or an HTML form)
    coerce, scalars   Python value -> Struct, as lenient as the original, or every problem at once
    openapi           Structs and route descriptions -> OpenAPI 3.1
    route_docs, routes_table, routes_*
                      what each route is called and says about itself
    options           the two schemas whose keys come from tables: Options and Flags
    docs_pages        the Swagger UI and ReDoc pages, from files of an installed package

Imports msgspec and the standard library only.
"""
