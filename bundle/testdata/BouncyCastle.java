import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.*;

/**
 * Writes the bundles of BouncyCastle into the folder OUT, from the TEST ONLY
 * certificates and keys of testdata/cms, or reads bundles with their signers:
 *
 *   java -cp /usr/share/java/bcprov.jar:/usr/share/java/bcpkix.jar:/usr/share/java/bcutil.jar BouncyCastle.java KEYS OUT
 *   java -cp … BouncyCastle.java read FILE…
 */
public class BouncyCastle {
    static final Provider BC = new BouncyCastleProvider();

    static byte[] pem(Path file) throws Exception {
        String text = Files.readString(file);
        text = text.substring(text.indexOf("-----BEGIN"));
        return Base64.getMimeDecoder().decode(text.replaceAll("-----[^-]*-----", ""));
    }

    static X509Certificate certificate(Path file) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(pem(file)));
    }

    static void read(String file) throws Exception {
        var outer = new CMSSignedData(Files.readAllBytes(Path.of(file)));
        var inner = outer;
        for (SignerInformation s : outer.getSignerInfos()) {
            var c = outer.getCertificates().getMatches(s.getSID()).iterator().next();
            boolean good = s.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build((org.bouncycastle.cert.X509CertificateHolder) c));
            System.out.println(file + ": signature good: " + good);
            inner = new CMSSignedData((byte[]) outer.getSignedContent().getContent());
        }
        var content = inner.getSignedContent();
        System.out.println(file + ": " + inner.getCertificates().getMatches(null).size() + " certificates, metadata: "
            + (content == null ? "none" : new String((byte[]) content.getContent(), StandardCharsets.UTF_8)));
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("read")) {
            for (String file : Arrays.copyOfRange(args, 1, args.length)) {
                read(file);
            }
            return;
        }
        Path keys = Path.of(args[0]), out = Path.of(args[1]);
        var unsigned = new CMSSignedDataGenerator();
        unsigned.addCertificates(new JcaCertStore(List.of(certificate(keys.resolve("alice.pem")), certificate(keys.resolve("bob.pem")))));
        String metadata = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<TrustBundle><Profile>Caf\u00e9</Profile></TrustBundle>\n";
        byte[] p7b = unsigned.generate(new CMSProcessableByteArray(metadata.getBytes(StandardCharsets.ISO_8859_1)), true).getEncoded();
        Files.write(out.resolve("bc-metadata.p7b"), p7b);

        PrivateKey key = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(pem(keys.resolve("alice.key"))));
        X509Certificate signer = certificate(keys.resolve("alice.pem"));
        var signed = new CMSSignedDataGenerator();
        signed.addSignerInfoGenerator(new JcaSimpleSignerInfoGeneratorBuilder().setProvider(BC).build("SHA256withRSA", key, signer));
        signed.addCertificates(new JcaCertStore(List.of(signer)));
        Files.write(out.resolve("bc-signed.p7m"), signed.generate(new CMSProcessableByteArray(p7b), true).getEncoded());
    }
}
