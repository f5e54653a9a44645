module example.com/shop/recommend

go 1.19
