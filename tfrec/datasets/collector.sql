-- Tables of a collector in MySQL (8.0 and later) or MariaDB (10.6 and later): what `tfrec collect` writes and the recipe
-- `collected` reads. `tfrec collect --create-tables` runs this file; so does `mysql shop < collector.sql`. It may be run
-- again: nothing that is there is changed.
--
-- Times are UTC. Ids are compared byte by byte, as `A1` and `a1` are two items.
-- events and impressions are partitioned by month. Once a month, run `CALL tfrec_add_months(3)`, and
-- `CALL tfrec_drop_months(25)` to keep 25 months; the end of this file has an event that does both.

CREATE TABLE IF NOT EXISTS events (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'order of arrival; the key by which the table is read',
  event_id VARCHAR(64) NOT NULL,
  event_type VARCHAR(16) NOT NULL,
  timestamp DATETIME(6) NOT NULL,
  user_id VARCHAR(128) NOT NULL DEFAULT '' COMMENT 'empty: a guest',
  item_id VARCHAR(128) NOT NULL DEFAULT '' COMMENT 'empty only of a search',
  order_id VARCHAR(128) NOT NULL DEFAULT '',
  session_id VARCHAR(128) NOT NULL DEFAULT '',
  quantity DECIMAL(18, 4) NULL,
  price DECIMAL(18, 6) NULL COMMENT 'of one piece',
  currency VARCHAR(3) NOT NULL DEFAULT '',
  rating DECIMAL(9, 3) NULL,
  query VARCHAR(512) NOT NULL DEFAULT '',
  more LONGTEXT NULL COMMENT 'further fields of the event, as JSON',
  received_at DATETIME(6) NOT NULL,
  PRIMARY KEY (id, timestamp),
  KEY by_user (user_id, timestamp)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin
PARTITION BY RANGE COLUMNS (timestamp) (PARTITION later VALUES LESS THAN (MAXVALUE));

CREATE TABLE IF NOT EXISTS impressions (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'order of arrival; the key by which the table is read',
  event_id VARCHAR(64) NOT NULL,
  timestamp DATETIME(6) NOT NULL,
  user_id VARCHAR(128) NOT NULL DEFAULT '' COMMENT 'empty: a guest',
  item_id VARCHAR(128) NOT NULL,
  session_id VARCHAR(128) NOT NULL DEFAULT '',
  slate_id VARCHAR(128) NOT NULL DEFAULT '' COMMENT 'equal for items that were shown together',
  position INT NULL COMMENT 'in the slate, from 0',
  propensity DOUBLE NULL COMMENT 'probability with which the item was put there',
  price DECIMAL(18, 6) NULL COMMENT 'that was shown',
  more LONGTEXT NULL COMMENT 'further fields of the event, as JSON',
  received_at DATETIME(6) NOT NULL,
  PRIMARY KEY (id, timestamp),
  KEY by_user (user_id, timestamp)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin
PARTITION BY RANGE COLUMNS (timestamp) (PARTITION later VALUES LESS THAN (MAXVALUE));

-- An event counts once by its id. A key of a partitioned table has to hold the time, and an event that is sent again may
-- have another one, so that ids have a table of their own; it is written in the same transaction.
CREATE TABLE IF NOT EXISTS event_ids (
  event_id VARCHAR(64) NOT NULL PRIMARY KEY,
  batch BIGINT UNSIGNED NOT NULL COMMENT 'the transaction that brought the event',
  timestamp DATETIME(6) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS rejected_events (
  digest BINARY(16) NOT NULL PRIMARY KEY COMMENT 'of origin, place and text: a line counts once',
  received_at DATETIME(6) NOT NULL,
  origin VARCHAR(512) NOT NULL COMMENT 'the file, or where the request came in',
  place BIGINT UNSIGNED NOT NULL COMMENT 'byte of the file, or number in the request',
  reason VARCHAR(255) NOT NULL,
  line TEXT NOT NULL COMMENT 'its beginning',
  KEY by_time (received_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

-- How far each file was read; written in the transaction of its events.
CREATE TABLE IF NOT EXISTS collected_files (
  path_digest BINARY(16) NOT NULL PRIMARY KEY,
  path VARCHAR(1024) NOT NULL,
  position BIGINT UNSIGNED NOT NULL COMMENT 'bytes that are read',
  head BINARY(16) NOT NULL COMMENT 'of the first bytes: another file in the same place begins at 0',
  head_bytes INT UNSIGNED NOT NULL,
  updated_at DATETIME(6) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

-- The catalogue and the users are written by the shop, whole or by row; `tfrec collect` does not touch them.
CREATE TABLE IF NOT EXISTS items (
  item_id VARCHAR(128) NOT NULL PRIMARY KEY,
  title VARCHAR(512) NOT NULL DEFAULT '',
  category VARCHAR(512) NOT NULL DEFAULT '' COMMENT 'whole path, levels joined by " > "',
  brand VARCHAR(255) NOT NULL DEFAULT '',
  price DECIMAL(18, 4) NULL COMMENT 'current price',
  margin DECIMAL(9, 6) NULL COMMENT 'share of the price that is profit',
  stock DECIMAL(18, 3) NULL COMMENT 'NULL: unknown, counts as available',
  available_from DATETIME(6) NULL,
  updated_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS users (
  user_id VARCHAR(128) NOT NULL PRIMARY KEY,
  segment VARCHAR(64) NOT NULL DEFAULT '',
  country VARCHAR(64) NOT NULL DEFAULT '',
  joined DATETIME(6) NULL,
  updated_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

DELIMITER //

-- Makes partitions of events and impressions up to `ahead` months from now. The first one made holds the current month
-- and all before.
CREATE PROCEDURE IF NOT EXISTS tfrec_add_months(IN ahead INT)
BEGIN
  DECLARE first_day DATE;
  DECLARE made INT DEFAULT 0;
  DECLARE which VARCHAR(16);
  WHILE made < 2 DO
    SET which = IF(made = 0, 'events', 'impressions');
    SELECT MAX(STR_TO_DATE(CONCAT(SUBSTRING(partition_name, 2), '01'), '%Y%m%d')) INTO first_day
      FROM information_schema.partitions
      WHERE table_schema = DATABASE() AND table_name = which AND partition_name LIKE 'm%';
    SET first_day = IFNULL(first_day + INTERVAL 1 MONTH, CAST(DATE_FORMAT(UTC_DATE(), '%Y-%m-01') AS DATE));
    WHILE first_day <= UTC_DATE() + INTERVAL ahead MONTH DO
      SET @tfrec_statement = CONCAT(
        'ALTER TABLE `', which, '` REORGANIZE PARTITION later INTO (PARTITION m', DATE_FORMAT(first_day, '%Y%m'),
        ' VALUES LESS THAN (''', first_day + INTERVAL 1 MONTH, '''), PARTITION later VALUES LESS THAN (MAXVALUE))');
      PREPARE tfrec_prepared FROM @tfrec_statement;
      EXECUTE tfrec_prepared;
      DEALLOCATE PREPARE tfrec_prepared;
      SET first_day = first_day + INTERVAL 1 MONTH;
    END WHILE;
    SET made = made + 1;
  END WHILE;
END //

-- Drops the partitions that end before the last `kept` months, and what else is as old. The ids of dropped events are
-- forgotten: one that is sent again counts again.
CREATE PROCEDURE IF NOT EXISTS tfrec_drop_months(IN kept INT)
BEGIN
  DECLARE oldest DATE DEFAULT CAST(DATE_FORMAT(UTC_DATE() - INTERVAL kept MONTH, '%Y-%m-01') AS DATE);
  DECLARE made INT DEFAULT 0;
  DECLARE which VARCHAR(16);
  DECLARE names TEXT;
  DECLARE low, high VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  WHILE made < 2 DO
    SET which = IF(made = 0, 'events', 'impressions');
    SELECT GROUP_CONCAT(partition_name) INTO names
      FROM information_schema.partitions
      WHERE table_schema = DATABASE() AND table_name = which AND partition_name LIKE 'm%'
        AND STR_TO_DATE(CONCAT(SUBSTRING(partition_name, 2), '01'), '%Y%m%d') < oldest;
    IF names IS NOT NULL THEN
      SET @tfrec_statement = CONCAT('ALTER TABLE `', which, '` DROP PARTITION ', names);
      PREPARE tfrec_prepared FROM @tfrec_statement;
      EXECUTE tfrec_prepared;
      DEALLOCATE PREPARE tfrec_prepared;
    END IF;
    SET made = made + 1;
  END WHILE;
  -- In slices by id, as an index on the time would make each event dearer; no slice is locked for long.
  SET low = '';
  REPEAT
    SET high = NULL;
    SELECT event_id INTO high FROM event_ids WHERE event_id >= low ORDER BY event_id LIMIT 1 OFFSET 10000;
    DELETE FROM event_ids WHERE event_id >= low AND (high IS NULL OR event_id < high) AND timestamp < oldest;
    SET low = high;
  UNTIL high IS NULL END REPEAT;
  REPEAT
    DELETE FROM rejected_events WHERE received_at < oldest LIMIT 10000;
  UNTIL ROW_COUNT() = 0 END REPEAT;
END //

DELIMITER ;

CALL tfrec_add_months(3);

-- Where the server runs events (SET GLOBAL event_scheduler = ON) and the account may make them:
--   CREATE EVENT tfrec_months ON SCHEDULE EVERY 1 DAY DO BEGIN CALL tfrec_add_months(3); CALL tfrec_drop_months(25); END
