/* A record shop of our own in the shape of Chinook; its rows are those of shop.json.
   Neither this; nor that ends a statement. */
DROP DATABASE IF EXISTS shop;
CREATE DATABASE shop;
\c shop;

CREATE TABLE album (album_id INT NOT NULL, title VARCHAR(160) NOT NULL, artist_id INT NOT NULL, CONSTRAINT album_pkey PRIMARY KEY (album_id));
CREATE TABLE artist (artist_id INT NOT NULL, name VARCHAR(120), CONSTRAINT artist_pkey PRIMARY KEY (artist_id));
CREATE TABLE customer (customer_id INT NOT NULL, first_name VARCHAR(40) NOT NULL, last_name VARCHAR(20) NOT NULL, company VARCHAR(80), state VARCHAR(40), postal_code VARCHAR(10), phone VARCHAR(24), fax VARCHAR(24), email VARCHAR(60) NOT NULL, support_rep_id INT, CONSTRAINT customer_pkey PRIMARY KEY (customer_id));
CREATE TABLE employee (employee_id INT NOT NULL, last_name VARCHAR(20) NOT NULL, first_name VARCHAR(20) NOT NULL, title VARCHAR(30), reports_to INT, birth_date TIMESTAMP, hire_date TIMESTAMP, email VARCHAR(60), CONSTRAINT employee_pkey PRIMARY KEY (employee_id));
CREATE TABLE genre (genre_id INT NOT NULL, name VARCHAR(120), CONSTRAINT genre_pkey PRIMARY KEY (genre_id));
CREATE TABLE invoice (invoice_id INT NOT NULL, customer_id INT NOT NULL, invoice_date TIMESTAMP NOT NULL, billing_state VARCHAR(40), billing_postal_code VARCHAR(10), total NUMERIC(10,2) NOT NULL, CONSTRAINT invoice_pkey PRIMARY KEY (invoice_id));
CREATE TABLE invoice_line (invoice_line_id INT NOT NULL, invoice_id INT NOT NULL, track_id INT NOT NULL, unit_price NUMERIC(10,2) NOT NULL, quantity INT NOT NULL, CONSTRAINT invoice_line_pkey PRIMARY KEY (invoice_line_id));
CREATE TABLE media_type (media_type_id INT NOT NULL, name VARCHAR(120), CONSTRAINT media_type_pkey PRIMARY KEY (media_type_id));
CREATE TABLE playlist (playlist_id INT NOT NULL, name VARCHAR(120), CONSTRAINT playlist_pkey PRIMARY KEY (playlist_id));
-- No column but the key's; two of them.
CREATE TABLE playlist_track (playlist_id INT NOT NULL, track_id INT NOT NULL, CONSTRAINT playlist_track_pkey PRIMARY KEY (playlist_id, track_id));
CREATE TABLE track (track_id INT NOT NULL, name VARCHAR(200) NOT NULL, album_id INT, media_type_id INT NOT NULL, genre_id INT, composer VARCHAR(220), milliseconds INT NOT NULL, bytes INT, unit_price NUMERIC(10,2) NOT NULL, CONSTRAINT track_pkey PRIMARY KEY (track_id));

ALTER TABLE album ADD FOREIGN KEY (artist_id) REFERENCES artist (artist_id) ON DELETE NO ACTION ON UPDATE NO ACTION;
CREATE INDEX album_artist_id_idx ON album (artist_id);
ALTER TABLE customer ADD FOREIGN KEY (support_rep_id) REFERENCES employee (employee_id);
ALTER TABLE employee ADD FOREIGN KEY (reports_to) REFERENCES employee (employee_id);
ALTER TABLE invoice ADD FOREIGN KEY (customer_id) REFERENCES customer (customer_id);
ALTER TABLE invoice_line ADD FOREIGN KEY (invoice_id) REFERENCES invoice (invoice_id);
ALTER TABLE invoice_line ADD FOREIGN KEY (track_id) REFERENCES track (track_id);
ALTER TABLE playlist_track ADD FOREIGN KEY (playlist_id) REFERENCES playlist (playlist_id);
ALTER TABLE playlist_track ADD FOREIGN KEY (track_id) REFERENCES track (track_id);
ALTER TABLE track ADD FOREIGN KEY (album_id) REFERENCES album (album_id);
ALTER TABLE track ADD FOREIGN KEY (genre_id) REFERENCES genre (genre_id);
ALTER TABLE track ADD FOREIGN KEY (media_type_id) REFERENCES media_type (media_type_id);

INSERT INTO genre (genre_id, name) VALUES (1, N'Polka'), (2, N'Blåtur & Gangar');
INSERT INTO media_type (media_type_id, name) VALUES (1, N'Wax cylinder');
INSERT INTO artist (artist_id, name) VALUES (1, N'The Köbenhavn Kettles'), (2, N'O''Malley; and Sons'), (3, NULL);
INSERT INTO album (album_id, title, artist_id) VALUES (1, N'Boiling Over', 1), (2, N'A "Quiet" Evening -- Live', 2);
INSERT INTO track (track_id, name, album_id, media_type_id, genre_id, composer, milliseconds, bytes, unit_price) VALUES
    (1, N'Steam', 1, 1, 1, N'A. Kettle, B. Kettle', 183000, 5510424, 0.99),
    (2, N'Whistle / Lid', 1, 1, 1, NULL, 201500, NULL, 0.99),
    (10, N'Goodnight, Æthelred', 2, 1, NULL, N'O''Malley', 90001, 2147483647, 1.5),
    (9, N'Unreleased', NULL, 1, 2, NULL, 1, 0, 0);
INSERT INTO employee (employee_id, last_name, first_name, title, reports_to, birth_date, hire_date, email) VALUES
    (1, N'Ødegård', N'Siv', N'Owner', NULL, '1962/2/18', '2002/8/14', N'siv@example.com'),
    (2, N'Park', N'Min', N'Clerk', 1, '1999/12/31', '2021/5/1', N'min@example.com'),
    (3, N'Roe', N'Jo', N'Clerk', 4, NULL, '2022/5/1', NULL),
    (4, N'Shaw', N'Al', N'Foreman', 1, '1980/1/2', '2010/10/10', N'al@example.com');
INSERT INTO customer (customer_id, first_name, last_name, company, state, postal_code, phone, fax, email, support_rep_id) VALUES
    (1, N'Luís', N'Prado', N'Prado & Filhos', N'SP', N'12227-000', N'+55 12 000', NULL, N'luis@example.com', 2),
    (2, N'Eva', N'Ek', NULL, NULL, NULL, NULL, NULL, N'eva@example.com', NULL);
INSERT INTO invoice (invoice_id, customer_id, invoice_date, billing_state, billing_postal_code, total) VALUES
    (1, 1, '2025/1/31', N'SP', N'12227-000', 2.49),
    (2, 2, '2025/2/28', NULL, NULL, 0.99);
INSERT INTO invoice_line (invoice_line_id, invoice_id, track_id, unit_price, quantity) VALUES (1, 1, 1, 0.99, 1), (2, 1, 10, 1.5, 1), (3, 2, 2, 0.99, 1);
INSERT INTO playlist (playlist_id, name) VALUES (1, N'Everything'), (2, N'Morning'), (10, N'Nothing yet');
INSERT INTO playlist_track (playlist_id, track_id) VALUES (2, 1), (1, 10), (1, 9), (1, 2), (1, 1);
