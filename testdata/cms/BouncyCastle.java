import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import javax.crypto.spec.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.nist.*;
import org.bouncycastle.asn1.pkcs.*;
import org.bouncycastle.asn1.x509.*;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.*;
import org.bouncycastle.operator.jcajce.*;

/** Writes the bc fixtures into the working directory; see generate-cms.sh. */
public class BouncyCastle {
    static final Provider BC = new BouncyCastleProvider();

    static byte[] pem(String file) throws Exception {
        String text = Files.readString(Path.of(file));
        text = text.substring(text.indexOf("-----BEGIN"));
        return Base64.getMimeDecoder().decode(text.replaceAll("-----[^-]*-----", ""));
    }

    static X509Certificate certificate(String name) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(pem(name + ".pem")));
    }

    interface Recipients { void add(CMSEnvelopedGenerator g) throws Exception; }

    static void envelope(String out, String in, ASN1ObjectIdentifier cipher, boolean stream, Recipients to) throws Exception {
        byte[] plain = Files.readAllBytes(Path.of(in));
        var encryptor = new JceCMSContentEncryptorBuilder(cipher).setProvider(BC).build();
        Path file = Path.of("env-bc-" + out + ".p7m");
        if (!stream) {
            var g = new CMSEnvelopedDataGenerator();
            to.add(g);
            Files.write(file, g.generate(new CMSProcessableByteArray(plain), encryptor).getEncoded());
            return;
        }
        var g = new CMSEnvelopedDataStreamGenerator();
        to.add(g);
        try (OutputStream f = Files.newOutputStream(file); OutputStream o = g.open(f, encryptor)) {
            o.write(plain);
        }
    }

    static CMSSignedGenerator signer(CMSSignedGenerator g) throws Exception {
        PrivateKey key = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(pem("alice.key")));
        X509Certificate c = certificate("alice");
        g.addSignerInfoGenerator(new JcaSimpleSignerInfoGeneratorBuilder().setProvider(BC).build("SHA256withRSA", key, c));
        g.addCertificates(new JcaCertStore(List.of(c)));
        return g;
    }

    static JceKeyTransRecipientInfoGenerator oaep(X509Certificate c, String hash, MGF1ParameterSpec mgf) throws Exception {
        var params = new JcaAlgorithmParametersConverter().getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP,
            new OAEPParameterSpec(hash, "MGF1", mgf, PSource.PSpecified.DEFAULT));
        return new JceKeyTransRecipientInfoGenerator(c, params).setProvider(BC);
    }

    public static void main(String[] args) throws Exception {
        X509Certificate alice = certificate("alice"), bob = certificate("bob");
        Recipients both = g -> {
            g.addRecipientInfoGenerator(new JceKeyTransRecipientInfoGenerator(bob).setProvider(BC));
            g.addRecipientInfoGenerator(new JceKeyTransRecipientInfoGenerator(alice).setProvider(BC));
        };
        envelope("two", "small.txt", NISTObjectIdentifiers.id_aes256_CBC, false, both);
        envelope("stream", "medium.txt", NISTObjectIdentifiers.id_aes128_CBC, true, both);
        envelope("oaep-sha256", "small.txt", NISTObjectIdentifiers.id_aes256_CBC, false,
            g -> g.addRecipientInfoGenerator(oaep(alice, "SHA-256", MGF1ParameterSpec.SHA256)));
        envelope("oaep-sha256-mgf1-sha1", "small.txt", NISTObjectIdentifiers.id_aes256_CBC, false,
            g -> g.addRecipientInfoGenerator(oaep(alice, "SHA-256", MGF1ParameterSpec.SHA1)));

        byte[] plain = Files.readAllBytes(Path.of("medium.txt"));
        var g = (CMSSignedDataGenerator) signer(new CMSSignedDataGenerator());
        Files.write(Path.of("sig-bc-opaque.p7s"), g.generate(new CMSProcessableByteArray(plain), true).getEncoded());
        Files.write(Path.of("sig-bc-detached.p7s"), g.generate(new CMSProcessableByteArray(plain), false).getEncoded());
        var s = (CMSSignedDataStreamGenerator) signer(new CMSSignedDataStreamGenerator());
        try (OutputStream f = Files.newOutputStream(Path.of("sig-bc-opaque-stream.p7s")); OutputStream o = s.open(f, true)) {
            o.write(plain);
        }
        var certs = new CMSSignedDataGenerator();
        certs.addCertificates(new JcaCertStore(List.of(alice, bob)));
        Files.write(Path.of("certs-bc.p7b"), certs.generate(new CMSAbsentContent(), false).getEncoded());
    }
}
