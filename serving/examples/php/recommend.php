<?php
// Asks `complete_cart` of a served shop over REST and prints the offered items. Needs PHP 8 alone.
//   php recommend.php localhost:8501 85123A,71053

declare(strict_types=1);

const DEADLINE = 1.0; // seconds
const REQUEST = __DIR__ . '/../requests/complete_cart.json';

/**
 * Returns the outputs of `complete_cart`, or null where there are none now.
 *
 * @param list<string> $cart
 * @return array<string, list<list<mixed>>>|null
 */
function complete_cart(string $target, array $cart): ?array
{
    // REST takes no request that leaves an input out. Each list begins with the padding value "": TF Serving with
    // batching widens lists by their first element.
    $request = json_decode(file_get_contents(REQUEST), true, flags: JSON_THROW_ON_ERROR);
    $request['inputs'] = ['cart_item_ids' => [['', ...$cart]], 'k' => [5]] + $request['inputs'];
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => 'Content-Type: application/json',
        'content' => json_encode($request, JSON_THROW_ON_ERROR),
        'timeout' => DEADLINE,
        'ignore_errors' => true, // the text of an error is read, too
    ]]);
    $body = @file_get_contents("http://$target/v1/models/shop:predict", false, $context);
    if ($body === false) { // no connection, or no answer in time
        fwrite(STDERR, 'no offers: ' . (error_get_last()['message'] ?? '') . "\n");
        return null;
    }
    if (!preg_match('~^HTTP/\S+ 200~', $http_response_header[0])) {
        // 404, 429, 503, 504: show the shop's own list. 400: the request is wrong.
        fwrite(STDERR, "no offers ({$http_response_header[0]}): $body\n");
        return null;
    }
    // The score behind the end of a short row is -Infinity, which is no JSON; outside texts it becomes null.
    $json = preg_replace('~("(?:[^"\\\\]|\\\\.)*")(*SKIP)(*FAIL)|-?Infinity|NaN~', 'null', $body);
    return json_decode($json, true, flags: JSON_THROW_ON_ERROR)['outputs'];
}

$cart = isset($argv[2]) ? explode(',', $argv[2]) : [];
$outputs = complete_cart($argv[1] ?? 'localhost:8501', $cart);
if ($outputs === null) {
    exit(1);
}
foreach ($outputs['item_ids'][0] as $place => $item) {
    if ($item === '') {
        break; // behind the end of a short row
    }
    $row = [$outputs['reasons'][0][$place], $outputs['reason_item_ids'][0][$place]];
    printf("%s\t%.4f\t%.2f\t%s\t%s\n", $item, $outputs['scores'][0][$place], $outputs['prices'][0][$place], ...$row);
}
