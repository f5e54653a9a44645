"""`ShopTools`: answers calls of tools by asking a served shop; `make_server` and `serve_stdio` speak MCP with it."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread
import jsonschema
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

import tfrec
from tfrec.agents.title_search import TitleSearch
from tfrec.agents.tools import FIND_ITEMS, INSTRUCTIONS, NO_TOOL, search_tool, tool_of
from tfrec.client import Offers, RecommenderClient
from tfrec.client.best_sellers import BEST_SELLERS
from tfrec.client.history.reading import MISSING
from tfrec.client.no_offers import unknown_items, why_no_offers
from tfrec.errors import TfrecError
from tfrec.schema.signatures import SIGNATURES

logger = logging.getLogger(__name__)

_ITEM_INPUTS = ("item_id", "cart_item_ids", "recent_item_ids")


class ShopTools:
    """The tools of one shop.

    Args:
        client: asks the server.
        titles: item id → title; empty = titles are not known, and nothing is found by words.
        user_id: the shopper of this assistant; None = a guest, unless the assistant may name one.
        any_user: whether the assistant may name the user. What a user bought shows in the reasons.
    """

    def __init__(
        self,
        client: RecommenderClient,
        titles: Mapping[str, str],
        *,
        user_id: str | None = None,
        any_user: bool = False,
    ) -> None:
        self._client, self._titles, self._user_id = client, titles, user_id
        self._search = TitleSearch(titles)
        self._tools = {
            name: tool_of(signature, with_user=any_user and user_id is None)
            for name, signature in SIGNATURES.items()
            if signature.is_slate and name not in NO_TOOL
        }

    def listed(self) -> list[dict[str, Any]]:
        """Returns the tools: the signatures that the server has, or, while it does not answer, those of the contract.

        An assistant may be started before the server, and asks for its tools once.
        """
        try:
            served = self._client.signatures()
        except TfrecError as error:
            logger.warning("The tools are those of this version of tfrec: %s", error)
            served = list(self._tools)
        own = [search_tool()] if self._titles else []
        return own + [tool for name, tool in self._tools.items() if name in served]

    def schema_of(self, name: str) -> Mapping[str, Any] | None:
        """Returns the JSON schema of a tool's inputs; None = there is no such tool."""
        if name == FIND_ITEMS and self._titles:
            return search_tool()["inputSchema"]
        return self._tools[name]["inputSchema"] if name in self._tools else None

    def call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the answer of a tool.

        Raises:
            TfrecError: no server answers, or the request is wrong; the text says what to do.
            ValueError: there is no such tool, its inputs are not as its schema says, or no item that was named is
                known.
        """
        schema = self.schema_of(name)
        if schema is None:
            known = [*([FIND_ITEMS] if self._titles else []), *self._tools]
            raise ValueError(f"There is no tool {name!r}. Known: {', '.join(known)}.")
        wrong = jsonschema.Draft202012Validator(schema).iter_errors(dict(arguments))
        if texts := [f"{'.'.join(map(str, error.absolute_path)) or name}: {error.message}" for error in wrong]:
            raise ValueError("; ".join(texts) + ".")
        if name == FIND_ITEMS:
            found = self._search.find(arguments["words"], k=arguments.get("k", 10))
            return {"items": [{"item_id": item_id, "title": self._titles[item_id]} for item_id in found]}
        return self._offer(name, arguments)

    def _offer(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        sent = {"k": 10, **arguments}
        if self._user_id is not None:
            sent["user_id"] = self._user_id
        notes = self._notes_on_items(sent)
        offers: Offers = getattr(self._client, name)(**sent)
        if offers.servable == BEST_SELLERS:
            notes.append("No server answers. These are the shop's best sellers within the limits.")
        elif not len(offers):
            notes.append(why_no_offers(self._client, name, sent, {}))
        if offers.history == MISSING:
            notes.append("The history store did not answer: a user that the model does not store is a guest here.")
        return {
            "offers": [
                {
                    "item_id": item.item_id,
                    "title": self._titles.get(item.item_id),
                    "price": item.price or None,
                    "reason": item.reason_sentence(self._titles),
                    "chance": round(item.probability, 4),
                }
                for item in offers
            ],
            "recommendation_id": offers.recommendation_id,
            "answered_by": f"{offers.servable} {offers.model_version}",
            "notes": notes,
        }

    def _notes_on_items(self, sent: Mapping[str, Any]) -> list[str]:
        """Returns a note that names the items that are not known.

        Raises:
            ValueError: the item that the question is about, or every item that was named, is unknown.
        """
        given = [sent[name] for name in _ITEM_INPUTS if sent.get(name)]
        named = list(dict.fromkeys(one for value in given for one in ([value] if isinstance(value, str) else value)))
        if self._titles:
            unknown = [item_id for item_id in named if item_id not in self._titles]
        else:
            unknown = unknown_items(self._client, named)
        if not unknown:
            return []
        text = f"Unknown item ids: {', '.join(unknown)}."
        if len(unknown) == len(named) or sent.get("item_id") in unknown:
            find = f"Find ids by words with {FIND_ITEMS}" if self._titles else "Take ids from the shop's pages"
            raise ValueError(f"{text} {find}, or from the answers of these tools.")
        return [f"{text} They were ignored."]


def make_server(tools: ShopTools) -> Server[Any]:
    """Returns the MCP server of a shop's tools."""

    async def list_tools(context: Any, parameters: Any) -> types.ListToolsResult:
        listed = await anyio.to_thread.run_sync(tools.listed)
        return types.ListToolsResult(tools=[types.Tool.model_validate(tool) for tool in listed])

    async def call_tool(context: Any, parameters: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            content = await anyio.to_thread.run_sync(tools.call, parameters.name, parameters.arguments or {})
        except (TfrecError, ValueError) as error:  # a text that the assistant reads, so that it can ask again
            return types.CallToolResult(content=[types.TextContent(type="text", text=str(error))], is_error=True)
        text = json.dumps(content, ensure_ascii=False)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structured_content=content)

    return Server(
        "tfrec",
        version=tfrec.__version__,
        title="Shop recommendations",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=tools.schema_of,
    )


def serve_stdio(server: Server[Any]) -> None:
    """Speaks MCP over standard input and output until the input ends."""

    async def run() -> None:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    anyio.run(run)
