"""``GET /docs``: every route to look at and to try, from files of our own, so that it works without the internet."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

FILES = "docs/files"  # relative to the server, also behind a proxy that serves us below some path


def install(app: FastAPI) -> None:
    """Add the page and its files (Swagger UI, from the package fastapi-swagger)."""

    async def page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"{app.title} API",
            swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{FILES}/favicon-32x32.png",
        )

    app.add_api_route("/docs", page, include_in_schema=False)
    app.mount(f"/{FILES}", StaticFiles(packages=[("fastapi_swagger", "resources")]))
