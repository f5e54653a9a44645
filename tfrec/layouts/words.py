"""Lists words that shops use in several languages: events, states of orders, lines that are no items."""

import re

EVENT_WORDS = {
    "purchase": (
        *(
            "purchase",
            "purchased",
            "buy",
            "bought",
            "order",
            "ordered",
            "transaction",
            "sale",
            "sold",
            "checkout complete",
        ),
        *(
            "order completed",
            "order placed",
            "placed order",
            "conversion",
            "paid",
            "ecommerce purchase",
            "kauf",
            "gekauft",
        ),
        *(
            "bestellung",
            "bestellt",
            "achat",
            "achete",
            "commande",
            "compra",
            "comprado",
            "pedido",
            "购买",
            "下单",
            "支付",
            "成交",
        ),
        *("acquisto", "ordine", "aankoop", "zakup", "pay", "付款"),
    ),
    "cart": (
        *(
            "cart",
            "add to cart",
            "addtocart",
            "added",
            "add",
            "added to cart",
            "add to basket",
            "basket",
            "product added",
        ),
        *("warenkorb", "in den warenkorb", "ajout panier", "ajout au panier", "panier", "carrito", "anadir al carrito"),
        *("加购", "加入购物车", "购物车", "carrello", "winkelwagen", "koszyk"),
    ),
    "view": (
        *("view", "viewed", "click", "clicked", "pageview", "page view", "view item", "product view", "product viewed"),
        *(
            "viewed product",
            "detail",
            "product detail",
            "pv",
            "visit",
            "ansicht",
            "angesehen",
            "klick",
            "vue",
            "consultation",
        ),
        *("clic", "vista", "visto", "visita", "浏览", "查看", "点击", "visualizzazione", "bekeken", "odslona"),
    ),
    "search": (
        *(
            "search",
            "searched",
            "view search results",
            "site search",
            "query",
            "suche",
            "gesucht",
            "recherche",
            "busqueda",
        ),
        *("buscar", "搜索", "ricerca", "zoeken", "szukaj"),
    ),
    "rating": (
        *(
            "rating",
            "rated",
            "rate",
            "review",
            "reviewed",
            "bewertung",
            "bewertet",
            "avis",
            "note",
            "valoracion",
            "resena",
        ),
        *("评分", "评价", "评论", "valutazione", "recensione"),
    ),
    "impression": (
        *(
            "impression",
            "impressions",
            "shown",
            "show",
            "exposure",
            "view item list",
            "item list view",
            "product list viewed",
        ),
        *("gezeigt", "einblendung", "affichage", "impresion", "曝光", "展示"),
    ),
    "return": (
        *("return", "returned", "refund", "refunded", "credit", "credit note", "creditmemo", "chargeback", "ruckgabe"),
        *("retoure", "gutschrift", "erstattung", "stornierung", "retour", "remboursement", "avoir", "devolucion"),
        *("reembolso", "退货", "退款", "reso", "rimborso", "zwrot"),
    ),
}
"""Event type → words for it, without accents, in lower case."""

VOID_STATES = re.compile(
    r"cancel|\bvoid|refund|chargeback|declin|\bfail|denied|reject|abandon|trash|delet|draft|fraud|disput|revers|expired"
    r"|stornier|storno|abgebroch|abgelehnt|erstattet|zuruckgezahlt|annul|rembours|refuse|echou|anulad|reembols|devuelt"
    r"|fallid|rechazad|rimborsat|rifiutat|geannuleerd|terugbetaald|mislukt|anulowan|zwrocon|odrzucon"
    r"|取消|退款|退货|关闭|失败|作废|拒绝"
)
"""Words in a state (without accents, lower case) of an order that is no sale."""

PARTLY = re.compile(r"parti|teil|parcial|parzial|gedeeltelijk|czesciow|部分")
"""Words in a state that concerns a part of an order."""

OPEN_STATES = re.compile(
    r"pending|unpaid|await|not paid|on hold|incomplete|authori[sz]ed|offen|unbezahlt|ausstehend|attente|impaye"
    r"|pendiente|sin pagar|in attesa|openstaand|oczekuj|待付款|未付款|未支付|待支付"
)
"""Words in a state of an order that is not paid yet."""

NO_ITEMS = {
    "shipping": (
        r"shipping|shipment|postage|delivery|carriage|freight|dotcom postage|p&p|post|versand(kosten)?|porto|lieferung"
        r"|frais de port|livraison|expedition|envio|gastos de envio|transporte|spedizione|verzendkosten|wysylka"
        r"|运费|邮费|快递费"
    ),
    "tip": r"tip|tips|gratuity|trinkgeld|pourboire|propina|mancia|小费",
    "gift card": (
        r"gift ?card|gift ?certificate|gift ?voucher|e-?gift( card)?|gutschein|geschenkgutschein|geschenkkarte"
        r"|carte cadeau|cheque cadeau|tarjeta( de)? regalo|buono regalo|cadeaubon|cadeaukaart|karta podarunkowa"
        r"|礼品卡|购物卡"
    ),
    "deposit": (
        r"deposit|bottle deposit|pfand|einwegpfand|mehrwegpfand|consigne|caution|deposito|fianza|cauzione|statiegeld"
        r"|押金|保证金"
    ),
    "fee": (
        r"(service|handling|payment|cod|processing|restocking|transaction|amazon|bank)? ?(fees?|charges?)|surcharge"
        r"|gebuhr(en)?|zuschlag|frais( de (dossier|gestion))?|supplement|recargo|comision|commissione|手续费|服务费"
    ),
    "adjustment": (
        r"adjust(ment)?( bad debt)?|adjust bad debt|manual|discount|rounding|correction|rabatt|nachlass|remise"
        r"|descuento|sconto|korting|折扣|samples?|test( ?(product|order|item))?"
    ),
    "packaging": r"gift ?wrap(ping)?|geschenkverpackung|emballage( cadeau)?|papel de regalo|礼品包装|包装费",
    "donation": r"donation|spende|don|donacion|捐款",
}
"""Reason → pattern (without accents, lower case, the whole text) of titles and ids of lines that are no items."""
