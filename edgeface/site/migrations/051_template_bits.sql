-- Of each template, which numbers are positive: a thirtieth of its size, so that all of them are
-- read in a fraction of a second. As many bits as the site's model has numbers.
CREATE TABLE template_bits AS SELECT id, binary_quantize(embedding) AS bits FROM template;
ALTER TABLE template_bits
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (id) REFERENCES template ON DELETE CASCADE;

CREATE FUNCTION add_template_bits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO template_bits (id, bits) VALUES (NEW.id, binary_quantize(NEW.embedding));
    RETURN NULL;
END $$;
CREATE TRIGGER template_bits AFTER INSERT ON template
    FOR EACH ROW EXECUTE FUNCTION add_template_bits();
