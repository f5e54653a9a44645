"""Lists what columns are called in several languages, and scores how well a name fits a role."""

import re
import unicodedata

NAMES: dict[str, tuple[str, ...]] = {
    "timestamp": (
        "timestamp", "event time", "event timestamp", "event date", "created at", "order date", "purchase date",
        "date created", "order created at", "invoice date", "invoicedate", "transaction date",
        "transaction timestamp", "order time", "datetime", "date time", "created", "time", "date", "ts", "when",
        "paid at", "placed at", "sold at", "bestelldatum", "bestellzeit", "kaufdatum", "rechnungsdatum",
        "auftragsdatum", "erstellt am", "zeitstempel", "datum", "zeitpunkt", "zeit", "date de commande",
        "date commande", "date achat", "date d achat", "horodatage", "date facture", "fecha del pedido",
        "fecha pedido", "fecha de pedido", "fecha de compra", "fecha",
        "fecha hora", "下单时间", "订单时间", "购买时间", "创建时间",
        "支付时间", "付款时间", "时间", "日期", "交易时间",
        "订单日期", "data ordine", "data", "besteldatum", "data zamowienia", "注文日",
        "注文日時",
    ),
    "order_id": (
        "order id", "orderid", "order number", "order no", "order nr", "order", "order name", "invoice no",
        "invoiceno", "invoice", "invoice id", "invoice number", "transaction id", "transactionid", "basket id",
        "basket", "receipt id", "receipt", "receipt no", "bestellnummer", "bestellnr", "bestell nr", "bestellung",
        "auftragsnummer", "auftrag", "auftragsnr", "rechnungsnummer", "rechnungsnr", "belegnummer", "beleg", "bon",
        "bonnummer", "numero de commande", "numero commande", "n commande", "no commande", "id commande", "commande",
        "reference commande", "facture", "numero de pedido", "n pedido", "id pedido", "pedido", "factura",
        "numero de factura", "订单号", "订单编号", "订单id",
        "订单", "交易号", "numero ordine", "ordine", "bestelnummer",
        "ordernummer", "numer zamowienia", "注文番号", "purchase id", "sales id", "ticket", "ticket id",
        "order reference", "reference",
    ),
    "item_id": (
        "item id", "itemid", "product id", "productid", "sku", "item sku", "product sku", "stock code", "stockcode",
        "article id", "article number", "article no", "article", "item code", "product code", "item number",
        "item no", "variant id", "variant sku", "asin", "ean", "gtin", "upc", "barcode", "isbn", "style", "model",
        "item", "product", "artikelnummer", "artikelnr", "artikel nr", "art nr", "artikel id", "artikel",
        "produktnummer", "produkt id", "produkt", "materialnummer", "reference produit", "reference article",
        "ref produit", "ref article", "id produit", "code article", "code produit", "id article", "produit",
        "codigo de producto", "codigo producto", "id producto", "codigo articulo", "codigo", "referencia", "producto",
        "articulo", "商品编号", "商品id", "商品编码", "商品号",
        "货号", "产品编号", "产品id", "商品", "codice prodotto", "codice articolo",
        "prodotto", "articolo", "artikelcode", "kod produktu",
        "商品コード", "商品番号", "goods id", "movie id", "book id",
        "track id",
    ),
    "user_id": (
        "user id", "userid", "customer id", "customerid", "customer", "customer number", "customer no", "client id",
        "user", "buyer id", "buyer", "shopper id", "shopper", "member id", "member", "visitor id", "visitorid",
        "account id", "household id", "household key", "household", "card id", "loyalty id", "loyalty card",
        "buyer email", "email", "customer email", "e mail", "mail", "user email", "email address", "kundennummer",
        "kundennr", "kunden nr", "kunden id", "kunde", "kaufer", "nutzer", "benutzer", "e mail adresse",
        "numero client", "id client", "code client", "client", "acheteur", "courriel", "adresse e mail", "id cliente",
        "cliente", "codigo cliente", "numero de cliente", "usuario", "comprador", "correo", "correo electronico",
        "用户id", "用户编号", "用户", "客户编号", "客户id", "客户",
        "买家", "会员号", "会员id", "会员", "id utente", "utente", "klantnummer",
        "klant", "klient", "numer klienta", "会員番号", "顧客id", "pseudo id", "user pseudo id", "anonymous id",
        "device id", "cookie id",
    ),
    "event_type": (
        "event type", "eventtype", "event name", "event", "action", "action type", "behavior type", "behaviour type",
        "behavior", "behaviour", "interaction", "interaction type", "activity", "transaction type", "type",
        "ereignis", "aktion", "ereignistyp", "evenement", "type evenement", "evento", "accion", "tipo de evento",
        "行为类型", "行为", "事件", "事件类型", "操作类型", "操作", "tipo",
    ),
    "session_id": (
        "session id", "sessionid", "session", "visit id", "visitid", "visit", "ga session id", "sitzung",
        "sitzungs id", "besuch", "id session", "visite", "sesion", "id sesion", "会话id", "会话", "sessione",
    ),
    "quantity": (
        "quantity", "qty", "quantity ordered", "qty ordered", "quantity purchased", "units", "pieces", "count",
        "amount sold", "num items", "item quantity", "items", "units sold", "menge", "anzahl", "stuck", "stuckzahl",
        "quantite", "qte", "nombre", "cantidad", "cant", "unidades", "数量", "件数", "购买数量", "quantita", "aantal",
        "ilosc", "個数",
    ),
    "price": (
        "unit price", "unitprice", "price per unit", "price each", "item price", "product price", "sales price",
        "price paid", "price", "selling price", "net price", "gross price", "price incl tax", "stuckpreis",
        "einzelpreis", "preis", "verkaufspreis", "preis pro stuck", "vk preis", "vk", "bruttopreis", "nettopreis",
        "prix unitaire", "prix", "prix ttc", "prix de vente", "pu ttc", "precio unitario", "precio",
        "precio de venta", "pvp", "单价", "价格", "售价",
        "商品单价", "prezzo unitario", "prezzo", "stukprijs", "prijs", "cena",
        "cena jednostkowa", "単価", "価格",
    ),
    "line_total": (
        "line total", "total price", "linetotal", "row total", "item total", "line amount", "extended price",
        "subtotal", "total", "amount", "sales value", "sales amount", "revenue", "item revenue", "sales", "value",
        "spend", "sum", "gesamtpreis", "gesamtbetrag", "positionssumme", "zeilensumme", "summe", "betrag", "umsatz",
        "gesamt", "total ligne", "montant", "montant ttc", "prix total", "chiffre d affaires", "importe",
        "precio total", "importe total", "total linea", "小计", "金额",
        "总价", "销售额", "商品金额", "totale", "importo",
        "totaal", "bedrag", "wartosc", "金額",
    ),
    "discount": (
        "discount", "line discount", "item discount", "discount amount", "item promotion discount", "rabatt",
        "nachlass", "rabattbetrag", "remise", "reduction", "descuento",
        "折扣", "优惠", "优惠金额", "sconto", "korting",
        "rabat",
    ),
    "currency": (
        "currency", "currency code", "order currency", "iso currency", "wahrung", "wahrungscode", "devise", "monnaie",
        "moneda", "divisa", "货币", "币种", "valuta", "waluta", "通貨",
    ),
    "rating": (
        "rating", "stars", "score", "review score", "bewertung", "sterne", "note", "etoiles", "valoracion",
        "puntuacion", "estrellas", "评分", "星级", "valutazione", "stelle",
    ),
    "query": (
        "query", "search query", "search term", "search text", "keyword", "search", "searched", "suchbegriff",
        "suche", "suchwort", "recherche", "terme de recherche", "busqueda", "termino de busqueda", "搜索词", "关键词",
        "ricerca",
    ),
    "status": (
        "status", "order status", "state", "order state", "financial status", "payment status", "bestellstatus",
        "auftragsstatus", "zahlungsstatus", "zustand", "statut", "etat", "statut commande", "etat de la commande",
        "estado", "estado del pedido", "订单状态", "状态", "支付状态", "stato", "stato ordine", "orderstatus",
    ),
    "title": (
        "title", "product name", "product title", "item name", "item title", "name", "description",
        "product description", "item description", "product", "item", "artikelbezeichnung", "produktname",
        "artikelname", "bezeichnung", "produktbezeichnung", "titel", "beschreibung", "nom du produit", "nom produit",
        "designation", "libelle", "nom", "titre", "libelle article", "nombre del producto", "nombre producto",
        "descripcion", "nombre", "titulo", "商品名称", "产品名称",
        "商品标题", "名称", "标题", "品名", "nome prodotto", "descrizione",
        "nome", "productnaam", "omschrijving", "nazwa", "nazwa produktu", "商品名",
    ),
    "category": (
        "category", "categories", "product category", "product type", "category path", "category name", "department",
        "item category", "main category", "category code", "type", "group", "product group", "kategorie",
        "warengruppe", "produktgruppe", "abteilung", "sortiment", "categorie", "rayon", "famille", "type de produit",
        "categoria", "tipo de producto", "departamento", "familia", "类目",
        "分类", "品类", "类别", "商品分类", "reparto",
        "kategoria", "カテゴリ",
    ),
    "brand": (
        "brand", "brand name", "manufacturer", "vendor", "maker", "label", "marke", "hersteller", "marque",
        "fabricant", "marca", "fabricante", "品牌", "厂商", "merk", "producent", "ブランド",
    ),
    "country": (
        "country", "country code", "shipping country", "billing country", "ship country", "customer country", "land",
        "lieferland", "pays", "pays de livraison", "pais", "国家", "地区", "paese", "kraj",
    ),
    "sequence": (
        "sequence", "position in session", "click order", "event order", "order", "step", "rank", "nr",
    ),
    "cost": (
        "cost", "unit cost", "cost price", "cost per item", "wholesale price", "purchase price", "einkaufspreis",
        "ek", "ek preis", "prix d achat", "cout", "coste", "precio de coste", "成本", "成本价", "进价", "costo",
        "inkoopprijs",
    ),
    "margin": (
        "margin", "margin rate", "marge", "margen", "毛利率", "marza", "margine",
    ),
    "stock": (
        "stock", "stock quantity", "inventory", "inventory quantity", "quantity in stock", "on hand", "in stock",
        "qty", "quantity", "bestand", "lagerbestand", "lager", "stock disponible", "existencias", "inventario", "库存",
        "库存量", "giacenza", "voorraad", "stan magazynowy",
    ),
    "available_from": (
        "available from", "available since", "launch date", "release date", "date added", "created at",
        "date available", "verfugbar ab", "erschienen am", "disponible depuis", "fecha de alta", "上架时间",
    ),
    "image": (
        "image", "image src", "image url", "image link", "picture", "bild", "bild url", "photo", "imagen", "图片",
    ),
}  # fmt: skip
"""Role → names, without accents and in lower case; the better ones first."""

_TOKENS = {
    "timestamp": {"date", "time", "timestamp", "datum", "zeit", "fecha", "日期", "时间"},
    "order_id": {"order", "invoice", "bestellung", "commande", "pedido", "订单"},
    "item_id": {"sku", "item", "product", "article", "artikel", "produit", "producto", "asin", "model", "商品"},
    "user_id": {
        "user",
        "customer",
        "client",
        "buyer",
        "visitor",
        "member",
        "kunde",
        "kunden",
        "cliente",
        "用户",
        "客户",
    },
    "event_type": {"event", "action", "behavior", "behaviour", "行为"},
    "session_id": {"session", "visit", "sitzung", "sesion"},
    "quantity": {"quantity", "qty", "menge", "anzahl", "quantite", "cantidad", "数量"},
    "price": {"price", "preis", "prix", "precio", "单价", "价格"},
    "line_total": {"total", "amount", "revenue", "summe", "betrag", "montant", "importe", "金额"},
    "discount": {"discount", "rabatt", "remise", "descuento", "折扣"},
    "currency": {"currency", "wahrung", "devise", "moneda"},
    "rating": {"rating", "stars", "bewertung"},
    "query": {"query", "search", "suche", "keyword"},
    "status": {"status", "state", "statut", "estado", "状态"},
    "title": {"title", "name", "description", "bezeichnung", "designation", "名称"},
    "category": {"category", "categories", "kategorie", "categorie", "categoria", "department", "分类", "类目"},
    "brand": {"brand", "marke", "marque", "marca", "manufacturer", "品牌"},
    "country": {"country", "land", "pays", "pais"},
    "sequence": {"sequence", "order"},
    "cost": {"cost", "cout", "coste", "成本"},
    "margin": {"margin"},
    "stock": {"stock", "inventory", "bestand", "库存"},
    "available_from": {"available", "launch", "release"},
    "image": {"image", "picture", "bild"},
}
_NEVER = {
    "order_id": {"date", "time", "status", "total", "quantity", "type", "price", "sells", "currency"},
    "item_id": {
        "name",
        "title",
        "price",
        "quantity",
        "total",
        "description",
        "category",
        "status",
        "discount",
        "count",
        "tax",
        "cost",
    },
    "user_id": {"name", "country", "city", "type", "group", "segment", "street", "phone", "agent", "ip"},
    "timestamp": {"zone"},
    "price": {"total", "old", "original", "list", "compare", "regular", "shipping", "category", "versand", "before"},
    "line_total": {
        "order",
        "shipping",
        "tax",
        "discount",
        "grand",
        "versand",
        "items",
        "bestellung",
        "paid",
        "refunded",
    },
    "quantity": {"refunded", "canceled", "cancelled", "shipped", "returned", "stock", "invoiced"},
    "title": {"user", "customer", "first", "last", "company", "billing", "shipping", "file", "event", "kunde"},
    "discount": {"code", "shipping", "order", "percent", "ship"},
    "status": {"fulfillment", "shipping", "province", "ship", "billing"},
}
_MARKS = re.compile(r"[^0-9a-z\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def normal_name(name: str) -> str:
    """Returns a name in lower case, without accents, its words parted by blanks.

    Example: `normal_name("InvoiceNo.")` is `"invoice no"`, `normal_name("Währung_Code")` is `"wahrung code"`.
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return _MARKS.sub(" ", plain_letters(parted)).strip()


def plain_letters(text: str) -> str:
    """Returns a text in lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign)).casefold().replace("ł", "l")


def name_score(name: str, role: str) -> float:
    """Returns from 0 to 100 how well the name of a column fits a role; whole names before single words."""
    normal = normal_name(name)
    joined = normal.replace(" ", "")
    for at, known in enumerate(NAMES[role]):
        if normal == known or joined == known.replace(" ", ""):
            return 100 - at * 0.5
    tokens = set(normal.split())
    if tokens & _NEVER.get(role, set()):
        return 0
    found = tokens & _TOKENS[role]
    if not found and not any(word in normal for word in _TOKENS[role] if not word.isascii()):
        return 0
    has_id = bool(tokens & {"id", "no", "nr", "number", "code", "key"})
    bonus = 10 if has_id and role.endswith("_id") else 0
    return 40 + bonus - 2 * min(len(tokens), 8)
