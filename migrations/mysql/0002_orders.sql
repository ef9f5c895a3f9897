CREATE TABLE `order_items` (
	`order_id` bigint NOT NULL,
	`product_id` bigint NOT NULL,
	`quantity` int NOT NULL,
	`price` decimal(18,2) NOT NULL,
	CONSTRAINT `order_items_order_id_product_id_pk` PRIMARY KEY(`order_id`,`product_id`)
);
--> statement-breakpoint
CREATE TABLE `orders` (
	`id` bigint AUTO_INCREMENT NOT NULL,
	`user_id` bigint NOT NULL,
	`status` varchar(16) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`total` decimal(18,2) NOT NULL,
	`idempotency_key` varchar(128) character set utf8mb4 collate utf8mb4_bin,
	`created_at` datetime(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
	CONSTRAINT `orders_id` PRIMARY KEY(`id`),
	CONSTRAINT `orders_idempotency_key_unique` UNIQUE(`idempotency_key`),
	-- In the table: CREATE INDEX would need a privilege of its own.
	KEY `orders_user_id` (`user_id`,`id`)
);
--> statement-breakpoint
CREATE TABLE `products` (
	`id` bigint AUTO_INCREMENT NOT NULL,
	`name` varchar(100) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`stock` bigint NOT NULL,
	CONSTRAINT `products_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
-- Something to order.
INSERT IGNORE INTO `products` (`id`, `name`, `stock`) VALUES (1, 'Pencil', 1000000), (2, 'Notebook', 1000), (3, 'Globe', 1);
